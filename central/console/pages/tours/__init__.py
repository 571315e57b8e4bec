"""Guard tours 巡更: today's rounds, one round, and what plans, routes and points there are. No person."""
