"""`pmfer warehouse check`: whether what is stored keeps its contracts."""

from collections.abc import Callable
from contextlib import closing

from flows.writing import require_existing
from warehouse.address import Address
from warehouse.connection import open_writer
from warehouse.contracts import broken_contracts, contract_rules, refuse


def check_contracts(warehouse: Address, tell: Callable[[str], None]) -> None:
    """Check every contract over every row, and tell of each in a line.

    Raises:
        WarehouseError: there is no warehouse, it is being written, or a contract does not hold; names each.
    """
    require_existing(warehouse)
    with closing(open_writer(warehouse)) as connection:
        breaches = broken_contracts(connection)
        broken = {breach.name for breach in breaches}
        for name, rule in contract_rules().items():
            tell(f"{'BROKEN' if name in broken else 'holds':<6}  {name}: {rule}")
        refuse(connection, breaches)
