"""A card processor that behaves like Stripe: hosted pages, payments, refunds, disputes, payouts, signed webhooks.

`cards` knows the test cards, `payments` and `aftermath` move money between objects of `objects`, `store` keeps them;
`api` and `pages` put them on the wire, and `webhooks` tells of them.
"""
