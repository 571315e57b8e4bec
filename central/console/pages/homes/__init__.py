"""Homes and people 房屋与人口: places, homes, people, cards, leases, stock and flow."""
