"""In which forms a plan can be written, why not, and the nearest that can: one rule, for check and export."""
