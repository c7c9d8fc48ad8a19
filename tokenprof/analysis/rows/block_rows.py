"""The blocks of a ledger, with what each was billed and cost to compute over the run."""

from __future__ import annotations

from tokenprof.analysis.rows.row_types import BlockRow, ChildRow
from tokenprof.attribute.estimator.estimate import local_tokens
from tokenprof.attribute.model import Placed
from tokenprof.attribute.solve import largest_remainder
from tokenprof.costing.billed_sums import BilledSum
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Work


def block_rows(ledger: Ledger, hardware: Hardware) -> tuple[BlockRow, ...]:
    """Return the blocks in the order in which they came into their contexts."""
    placed_blocks, billed_blocks = ledger.attribution.blocks, ledger.blocks
    no_work, nothing_billed = Work(), BilledSum()
    costs = hardware.many([hardware.blocks.get(block_id, no_work) for block_id in placed_blocks])
    rows = []
    labels = {
        (placed.context, placed.block.link): placed.block.label
        for placed in placed_blocks.values()
        if placed.block.label and placed.block.link
    }
    for placed, hardware_usd in zip(placed_blocks.values(), costs, strict=True):
        block, size = placed.block, placed.size
        billed = billed_blocks.get(placed.id, nothing_billed)
        rows.append(
            BlockRow(
                id=placed.id,
                kind=block.kind,
                name=block.name,
                digest=block.digest or None,
                context=placed.context,
                section=block.section,
                born_turn=placed.born_turn,
                last_turn=placed.last_turn,
                evicted_by=placed.evicted_by,
                tokens=size.tokens,
                tokens_low=size.low,
                tokens_high=size.high,
                state="exact" if size.exact else "estimated",
                exact_group=size.group,
                billed_tokens=billed.tokens,
                billed_usd=billed.billed_usd,
                hardware_usd=hardware_usd,
                replaces=placed.replaces,
                children=_children(placed),
                uses=block.uses,
                at_least_usd=None if billed.is_complete else billed.at_least_usd,
                turns_carried=billed.turns,
                link=block.link,
                content_digest=block.content_digest,
                label=block.label or labels.get((placed.context, block.link or "")),
            )
        )
    return tuple(rows)


def _children(placed: Placed) -> tuple[ChildRow, ...]:
    """Return the finer parts of a block, its size shared out by local counts; never more than estimates."""
    children = placed.block.children
    if not children:
        return ()
    local = [float(next(iter(child.tokens.values()), 0)) for child in children]
    of_block = max(local_tokens(placed.block), sum(local), 1.0)
    parts = largest_remainder(local, round(placed.size.tokens * sum(local) / of_block))
    return tuple(
        ChildRow(child.name, child.digest, tokens) for child, tokens in zip(children, parts, strict=True)
    )
