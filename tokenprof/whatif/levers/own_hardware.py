"""`hardware=MODEL@CHIPS` or `MODEL@CHIPS:USD`: the same calls served on hardware of your own."""

from __future__ import annotations

from tokenprof.facts.errors import InputError
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever

NAME = "hardware"
HELP = "MODEL@CHIPS or MODEL@CHIPS:USD-PER-GPU-HOUR: the same calls on hardware of your own"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for a deployment that does not exist or hours without a price."""
    from tokenprof.hw_model.equations.deployment_text import parse_deployment

    deployment, colon, hour = value.partition(":")
    usd: float | None = None
    if colon:
        try:
            usd = float(hour)
        except ValueError:
            usd = 0.0
        if usd <= 0:
            raise InputError(f"{NAME}={value}: {hour!r} is not dollars per GPU-hour, such as 2.50.")
    try:
        parse_deployment(deployment)
    except (ValueError, LookupError) as error:
        problem = str(error.args[0]).rstrip(".") if error.args else str(error)
        raise InputError(
            f"{NAME}={value}: {problem}. `tokenprof hw show` lists the models and chips."
        ) from None

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry

    return Lever(
        NAME,
        value,
        change,
        (
            "You pay what the work costs on this deployment; there is no list price.",
            "The model takes the same turns, with the same tokens and the same cache hits.",
        ),
        is_exact=False,
        deployment=deployment,
        usd_per_gpu_hour=usd,
    )
