"""Bad inputs by kind: each module writes files that are wrong in one way, and says who meets them."""
