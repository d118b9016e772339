"""The trainers, one package a model, and what makes trained weights ready for release."""
