"""A pretend PayPal, a process of its own for tests and trials: it moves no money.

It follows the published wire format and can be told to misbehave. It knows nothing of the client
beside it, so that a misreading there is not made up for here.
"""
