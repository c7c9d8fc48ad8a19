"""What secrets in a text look like: keys of a known form, and places in which a secret of any form stands.

Every pattern starts at a fixed text, and either repeats a bounded number of times or takes in whatever it
has passed, so that the time grows with the length of the text only.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from tokenprof.data_classes.frozen import frozen

MASK: Final = "[masked]"


@frozen
class MaskRule:
    """A pattern, what replaces it, and texts (in lower case) of which one stands in whatever it matches."""

    needles: tuple[str, ...]
    source: str
    replacement: str = MASK

    @property
    def pattern(self) -> re.Pattern[str]:
        """The pattern, compiled when it is first needed: few processes ever see the form of a secret."""
        return _compiled(self.source)


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source)


_START: Final = (
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})"
    r"|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m))"
)
"""Where a key may start: not within a word, but after an escape of JSON, of an address or of a terminal."""

_KEY: Final = r"[A-Za-z0-9_-]"


def _form(pattern: str, *needles: str) -> MaskRule:
    return MaskRule(needles, _START + pattern)


FORMS: Final = (
    _form(rf"(?:sk|csk)-{_KEY}{{8,}}", "sk-"),
    _form(r"(?:AIza|ya29\.)[A-Za-z0-9_.-]{16,}", "aiza", "ya29."),
    _form(r"(?:AKIA|ASIA|ABSK)[A-Za-z0-9+/=]{12,}", "akia", "asia", "absk"),
    _form(r"bedrock-api-key-[A-Za-z0-9+/=_-]{8,}", "bedrock-api-key-"),
    _form(rf"GOCSPX-{_KEY}{{12,}}", "gocspx-"),
    _form(rf"1//0{_KEY}{{24,}}", "1//0"),
    _form(r"dapi[0-9a-f]{16,}", "dapi"),
    _form(rf"(?:gh[pousr]|github_pat|hf|gsk|npm|pcsk|jina|whsec)[_-]{_KEY}{{12,}}",
          "gh", "github_pat", "hf", "gsk", "npm", "pcsk", "jina", "whsec"),
    _form(rf"gl(?:pat|rt|dt|ptt|cbt|ft|soat|sa|c)[_-]{_KEY}{{12,}}", "gl"),
    _form(rf"[rs]k_(?:live|test)_{_KEY}{{8,}}", "k_live_", "k_test_"),
    _form(r"sk_[A-Za-z0-9]{24,}", "sk_"),
    _form(rf"(?:pypi|pplx|xai|tvly|r8|fc|ntn|lin_api|nvapi|tgp_v1|lsv2_[a-z]{{2}}|sbp|sb_secret)[_-]{_KEY}{{16,}}",
          "pypi", "pplx", "xai", "tvly", "r8", "fc", "ntn", "lin_api", "nvapi", "tgp_v1", "lsv2", "sb"),
    _form(rf"(?:shp(?:at|ca|pa|ss)|do[opr]_v1|fig[dou]|dckr_[po]at|sntry[su]|rubygems)_{_KEY}{{12,}}",
          "shp", "_v1_", "fig", "dckr_", "sntry", "rubygems_"),
    _form(r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}", "xox", "xapp-"),
    _form(rf"(?:SG|hv[sbr]|dp\.(?:pt|st|ct|sa))\.{_KEY}{{12,}}(?:\.{_KEY}{{1,200}})?", "sg.", "hv", "dp."),
    _form(r"(?:ATATT3|ATBB)[A-Za-z0-9_=-]{16,}", "atatt3", "atbb"),
    _form(r"(?:NRAK|PMAK|HRKU|sq0[a-z]{3})-[A-Za-z0-9_-]{12,}", "nrak-", "pmak-", "hrku-", "sq0"),
    _form(r"AGE-SECRET-KEY-1[A-Z0-9]{12,}", "age-secret-key-1"),
    _form(rf"eyJ{_KEY}{{8,}}\.{_KEY}{{8,}}(?:\.{_KEY}+)?", "eyj"),
    MaskRule(
        ("-----begin ",),
                r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-\"\\]|\\+[nrt/]|-(?!----))*(?:-----END [A-Z0-9 ]{0,40}-----)?",
    ),
)  # fmt: skip
"""Keys whose form says what they are, whatever their name."""

_NAMED: Final = (
    r"(?:(?:api|access|secret|private|subscription|account|signing|encryption)[_-]?key"
    r"|secret[_-]?access[_-]?key"
    r"|(?:auth(?:orization)?|access|refresh|bearer|session|security|id|api|user)[_-]?token"
    r"|[_-]token|[_-]secret|[_-]pwd|client[_-]?secret|connection[_-]?string"
    r"|authorization|(?:set-)?cookie|password|passwd|passphrase|passcode)"
)
_NAMES: Final = (
    "key",
    "token",
    "secret",
    "authorization",
    "cookie",
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "connection",
)

_VALUE: Final = r"(?:(?=[^\s\"'&,;<>\\]{0,200}[0-9])[^\s\"'&,;<>\\]{6,}|[^\s\"'&,;<>\\]{20,})"
"""A value without quotes: words without a digit are names more often than secrets, unless they are long."""


def _place(
    needles: tuple[str, ...], before: str, secret: str, *, replacement: str = rf"\1{MASK}"
) -> MaskRule:
    return MaskRule(needles, rf"({before}){secret}", replacement)


ADDRESSES: Final = (
    _place(
        (":/", ":\\"),
        # One slash is left of an address that was taken for a path.
        r":(?:\\{0,8}/){1,2}",
        r"[^/\s:@\"'\\]{0,200}:[^/\s@\"'\\]{1,400}@",
        replacement=rf"\1{MASK}@",
    ),
    _place(("://", ":\\"), r":(?:\\{0,8}/){2}", r"[A-Za-z0-9_.~%+-]{20,200}@", replacement=rf"\1{MASK}@"),
    _place(
        ("=",),
        rf"(?i:(?:[?&#;]|%26|%3F|\\u0026)(?:{_NAMED}|key|token|secret|sig|signature|hmac|jwt|auth|pass|pwd"
        r"|x-(?:amz|goog)-(?:signature|credential|security-token))=)",
        r"[^&\s\"'<>#\\]+",
    ),
    _place(
        ("slack.com/", "/webhooks/", "telegram.org/", "webhookb2/", "/mcp/"),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/[0-9]{1,24}/"
        r"|api\.telegram\.org/(?:file/)?bot|webhook\.office\.com/webhookb2/|mcp\.zapier\.com/api/mcp/[a-z]/",
        r"[^\s\"'<>\\?]+",
    ),
)
"""Secrets in addresses: users and passwords, parameters, paths that are themselves a key."""

PLACES: Final = (
    _place(("aws4-",), r"(?i:AWS4-[A-Z0-9-]{1,40}\s{1,4})", r"Credential=[^\r\n\"'\\]+"),
    MaskRule(
        ("bearer", "basic"),
                r"(?i)(?<![a-z0-9])(bearer|basic)(?:\s|%20|\+){1,4}"
        r"(?:(?=[A-Za-z0-9._~+/=-]{0,200}[0-9=_.])[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{24,})",
        rf"\1 {MASK}",
    ),
    _place(
        ("authorization",),
        r"(?i:authorization\\{0,8}[\"']?\s{0,4}[:=]\s{0,4}\\{0,8}[\"']?"
        r"(?:token|api-?key|key|bot|negotiate|ntlm|oauth|splunk|genie-?key|hmac[a-z0-9-]{0,20})\s{1,4})",
        r"[^\s\"'\\]{6,}",
    ),
    _place(
        ("cookie",),
        r"(?i:(?:set-)?cookie\\{0,8}[\"']?\s{0,4}[:=]\s{0,4}\\{0,8}[\"']?)(?=[^\r\n\"'\\;]{1,200}=)",
        r"[^\r\n\"'\\]+",
    ),
    MaskRule(
        _NAMES,
                # After a name: `": "` in quotes, the same in an escaped text, or a colon or equals sign.
        rf"(?i)({_NAMED}(?:([\"'])\s{{0,8}}:\s{{0,8}}[\"'](?!\[masked\])"
        rf"|(\\{{1,15}}[\"'])\s{{0,8}}:\s{{0,8}}\3(?!\[masked\])|\s{{0,4}}[:=]\s{{0,4}}[\"']?))"
        r"(?(2)(?:(?!\2)[^\\\r\n]|\\[^\r\n])+"
        rf"|(?(3)(?:[^\\\"\r\n]|(?!\3)(?:\\+[^\"'\\\r\n]|\\{{2,}}[\"']))+|{_VALUE}))",
        rf"\1{MASK}",
    ),
    _place(
        ("_token", "_secret", "_key", "_pass", "_pwd", "_cred"),
        r"_(?:TOKEN|SECRET|KEY|PASS(?:WORD|WD|PHRASE)?|PWD|CREDENTIALS?)[\"']?\s{0,2}[=:]\s{0,2}[\"']?",
        _VALUE,
    ),
    _place(
        ("--",),
        r"(?i:--(?:[a-z0-9]{1,20}-){0,4}(?:password|passwd|passphrase|pass|pwd|token|secret|(?:api|access|secret)-?key)"
        r"(?:=|\s{1,4})[\"']?)",
        r"(?:(?=[^\s\"'\\]{0,200}[0-9])[^\s\"'\\]{4,}|[^\s\"'\\]{16,})",
    ),
    _place(
        ("-u", "--user", "--proxy-user"),
        r"\s(?:-[uU]|--user|--proxy-user)(?:=|\s{1,4})[\"']?[^\s:\"'\\]{1,100}:",
        r"(?![0-9]{1,10}(?:[\s\"']|$))[^\s\"'\\]{3,}",
    ),
    _place(("login",), r"(?i:login\s{1,4}\S{1,100}\s{1,4}password\s{1,4})", r"\S+"),
    _place(("<",), rf"(?i:<(?:{_NAMED}|token|secret)>)", r"[^<\r\n]+"),
)  # fmt: skip
"""Places where a secret of any form stands: schemes of authorization, named values, options of commands."""
