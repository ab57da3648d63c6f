"""Who tells people from programs: one contract, and for each provider what differs, as data.

contract    what a page needs, and what an answer may turn out to be
vendors     where each is asked, what it states, and what its codes mean
hosted      one of them, as an adapter: everything that is stated is checked
http        one bounded request
altcha      our own, which asks nobody
breaker     who is away is not asked, and the next one is
registry    from tidegate.yaml to providers
"""
