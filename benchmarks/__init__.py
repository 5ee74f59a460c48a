"""What is measured, each against a floor in the same run (design §7). ``make bench`` runs all, ``NAME=evidence`` a room's."""
