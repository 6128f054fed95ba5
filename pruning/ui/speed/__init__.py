"""The Speed page: size and time on this device and on others."""
