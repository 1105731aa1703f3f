"""How often a property is tested that takes long for each example."""

from hypothesis import settings

# a fifth of the examples of the profile: 10 in the quick tier, 100 in the slow one
expensive = settings(max_examples=max(10, settings().max_examples // 5))
