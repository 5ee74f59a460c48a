"""Every number of the synthetic city's causal story, in one place. All are proposals; none is a statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CityAssumptions:
    """The knobs of the city. ``z`` is the size and ``s`` the stress of a firm, both standard normal.

    Names ending in ``_size`` and ``_stress`` multiply ``z`` and ``s`` in log-odds (or, where said, in a logarithm).
    """

    # Size, growth, seasons
    level_shift: float = -0.9
    level_spread: float = 1.5
    """Monthly sales = typical sales of the industry x exp(spread·z + shift): heavy-tailed, so that some are large."""
    growth: float = 0.06
    growth_stress: float = -0.06
    growth_spread: float = 0.12
    """Yearly growth (log): growth + growth_stress·s + spread·noise."""
    swing: float = 0.22
    swing_stress: float = 0.25
    """Month-to-month noise of sales (log): swing·exp(swing_stress·s)."""
    idle_months: float = 0.02
    idle_stress: float = 0.6
    idle_size: float = -0.6
    """Chance of a month without sales: idle_months·exp(idle_stress·s + idle_size·z), at most 0.5."""
    age_years: float = 7.0
    youngest_years: float = 0.35
    """Age = youngest + exponential with mean ``age_years``; months before opening have no rows."""
    sole_size: float = -0.8
    """Sole traders are the small ones: the industry's share is tilted by this."""

    # Distress: whether, when and how deep
    onset: float = -1.9
    onset_size: float = -0.3
    onset_stress: float = 0.9
    onset_months: int = 30
    """Log-odds that distress began within the last ``onset_months`` months; the month is uniform among them."""
    grace_months: int = 3
    """A firm is in no distress before it has been open so long."""
    depth_stress: float = 0.25
    depth_spread: float = 0.3
    """Depth (log): depth_stress·s + depth_spread·noise; 1 is typical."""

    # ... shows first in payments
    strain_depth: float = 0.75
    strain_months: float = 2.0
    """Payment strain, 0 to 1: strain_depth·depth x min(1, (months since onset + 1) / strain_months)."""
    late: float = 0.05
    late_stress: float = 0.35
    late_strain: float = 0.6
    """Chance that a payment is late: late·exp(late_stress·s) + late_strain·strain."""
    late_days: float = 7.0
    late_days_strain: float = 30.0
    """Mean days of a late payment: late_days + late_days_strain·strain (exponential)."""
    tax_unpaid: float = 0.01
    tax_unpaid_strain: float = 0.4
    tax_unpaid_days: float = 60.0
    tax_unpaid_days_strain: float = 240.0
    """Chance that a part of a tax stays unpaid, and the mean days until it is settled."""
    cut_after_days: int = 60
    """A utility cuts supply for a bill this many days overdue."""

    # ... then in power use (and sales)
    output_lag: int = 3
    output_fall: float = 0.06
    output_floor: float = 0.3
    """From ``output_lag`` months after onset activity falls by this share x depth each month, down to the floor."""

    # ... then in insured heads
    heads_lag: int = 6
    heads_fall: float = 0.05
    heads_floor: float = 0.35

    # Missing not at random
    landlord: float = -0.9
    landlord_size: float = -0.5
    landlord_stress: float = 0.6
    """Log-odds that a tenant's landlord collects (no reading reaches the utility under the firm's name)."""
    not_metered: float = 0.04
    """Share of tenants with own billing who pay a flat rate without a meter."""
    estimated: float = 0.03
    """Share of meter months that are estimated, at random."""
    shared_meter: float = 0.03
    """Share of pairs of neighbours on one meter."""
    second_meter: float = 0.05
    moved: float = 0.04
    """Share of firms with a second electricity meter; that moved within the last ``onset_months`` months."""
    insured: float = 1.6
    insured_size: float = 0.8
    insured_stress: float = -0.2
    insured_sole: float = -2.2
    """Log-odds that a firm insures anybody at all; sole traders have ``insured_sole`` added."""
    fund: float = -0.4
    fund_size: float = 0.9
    fund_stress: float = -0.6
    """Log-odds that a firm that insures has a housing fund account."""
    bound: float = -0.6
    bound_size: float = 0.5
    bound_stress: float = -0.6
    """Log-odds that a firm bound a bank account for its cash flow."""
    graded_sole: float = 0.3
    """Share of sole traders that asked for a tax grade."""

    # Outcome
    default: float = -3.9
    default_size: float = -0.5
    default_stress: float = 0.6
    default_distress: float = 2.4
    default_landlord: float = 0.3
    default_no_fund: float = 0.4
    distress_months: int = 12
    """Log-odds of default = default + default_size·z + default_stress·s + default_distress·D + default_landlord·(landlord
    collects) + default_no_fund·(no housing fund); D = depth x min(1, months since onset / distress_months), 0 without."""
    outcome_known: float = 0.6
    outcome_age_years: float = 1.0
    """Share of firms, at least so old, whose loan has run its course; the others have no outcome yet."""

    # Deadlines and tariffs
    filing_day: int = 15
    """Taxes of a month or quarter are filed by this day of the next month."""
    quarterly_below_yuan: float = 5_000_000.0
    """Firms with lower expected yearly sales are small taxpayers and file VAT by quarter."""
    small_levy_per_mille: float = 10.0
    small_exempt_yuan: float = 300_000.0
    """Quarterly sales up to this are free of the small taxpayers' levy."""
    income_tax_per_mille: float = 50.0
    margin: float = 0.07
    margin_strain: float = -0.1
    """Profit on sales, and what strain adds to it; a loss owes no income tax."""
    insurance_per_mille: int = 265
    fund_per_mille: int = 100
    base_yuan: float = 6_200.0
    """Typical contribution base per person and month."""


CITY: Final = CityAssumptions()
