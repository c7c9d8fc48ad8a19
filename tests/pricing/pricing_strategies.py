"""Random usages for property tests."""

from hypothesis import strategies as st

from tokenprof.pricing.usage import CLASSES, Usage

COUNTS = st.integers(0, 10**9)
TOKEN_FIELDS = [f"{cls}_tokens" for cls in CLASSES if cls != "fee"]
USAGES = st.builds(
    Usage,
    **dict.fromkeys(TOKEN_FIELDS, COUNTS),
    fees=st.dictionaries(st.sampled_from(["web_search", "web_fetch"]), COUNTS).map(
        lambda fees: (*fees.items(),)
    ),
)
