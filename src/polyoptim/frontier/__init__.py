"""The cost front: degrees, formats and schemes side by side, and those that no other beats in error and in cost."""
