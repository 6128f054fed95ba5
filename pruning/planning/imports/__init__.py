"""Plans that other tools wrote down."""
