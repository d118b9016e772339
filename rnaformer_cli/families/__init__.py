"""What is known of an RNA whose family is known: profiles, and the pairs that they tell."""
