"""What stands around every page: the navigation, the tabs, and the header with plan and target."""
