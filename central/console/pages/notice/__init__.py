"""The notice that people get, on screen and on paper, and at which doors it hangs."""
