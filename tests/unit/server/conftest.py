"""Programs of servers are asynchronous, and so are their tests."""

import asyncio
import inspect

from tests.unit.patience import LONGER


def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is a coroutine, for as long as one is patient."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), LONGER))
    return True
