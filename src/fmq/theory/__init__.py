"""Measurements on a study's own runs that check the closed form and its assumptions."""
