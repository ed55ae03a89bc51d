"""A stand-in for Stripe: one account with a clock that the test moves, its API, and its signed events.

It keeps the shapes of API 2026-10-28.endive of what we use: subscriptions with their items, invoices with their parent
and lines, payments of invoices with their intents, customers, prices, products, the portal's configurations, webhook
endpoints, test clocks, events, lists in pages, at most four levels of expansion; and what the checkout makes, with a
key of its own: its sessions, those of the portal, and the pages to which they lead, which a browser can use. It keeps
the behaviour on which the rules rest: a renewal makes an invoice, a card that fails is tried again for two weeks and
each time told, a direct debit is on its way for days, a bank asks for a confirmation, an invoice that is paid late
makes the subscription active, a list leaves out what has a test clock, deliveries have no order. It has no taxes, no
real proration, and no limit of requests.
"""

from tests.stripe_api.account import DAY, Account
from tests.stripe_api.direct import Direct
from tests.stripe_api.events import post, signed
from tests.stripe_api.server import API_VERSION, Server

__all__ = ["API_VERSION", "DAY", "Account", "Direct", "Server", "post", "signed"]
