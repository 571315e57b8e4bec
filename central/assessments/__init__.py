"""What a community has to lay down before it goes live, and the gate that holds until then (R-80)."""
