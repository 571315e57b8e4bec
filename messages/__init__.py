"""What a gateway and the centre say to each other: the contract. Imports nothing of ours."""
