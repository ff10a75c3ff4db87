"""What several test modules share and no user needs."""
