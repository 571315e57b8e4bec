"""Guard tours: points, routes and plans, and what became of each round by the records of the readers."""
