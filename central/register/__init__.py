"""The register: places, homes, people, who lives where, leases, credentials, and the rights that follow."""
