"""Concepts that a drifting stream is made of, by name; each is a tensor program for one replica."""

from __future__ import annotations

from collections.abc import Mapping

from streamsim_scenarios.concepts.agrawal import Agrawal
from streamsim_scenarios.concepts.concept import Concept, Feature, Labelling, Samples, State
from streamsim_scenarios.concepts.hyperplane import Hyperplane
from streamsim_scenarios.concepts.led import Led
from streamsim_scenarios.concepts.mixed import Mixed
from streamsim_scenarios.concepts.random_tree import RandomTree
from streamsim_scenarios.concepts.rbf import RandomRbf
from streamsim_scenarios.concepts.sea import Sea
from streamsim_scenarios.concepts.sine import Sine
from streamsim_scenarios.concepts.stagger import Stagger
from streamsim_scenarios.concepts.waveform import Waveform

__all__ = ["CONCEPTS", "Concept", "Feature", "Labelling", "Samples", "State"]

CONCEPTS: Mapping[str, type[Concept]] = {
    concept.name: concept
    for concept in (
        Sea,
        Hyperplane,
        RandomRbf,
        Led,
        Sine,
        Stagger,
        Mixed,
        Agrawal,
        Waveform,
        RandomTree,
    )
}
