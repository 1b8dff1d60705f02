"""Built-in scenarios and modifiers by name; a module is imported when its name is asked for."""

_SPLIT = {
    "split-digits": "SplitDigits",
    "split-mnist": "SplitMnist",
    "split-fashion-mnist": "SplitFashionMnist",
    "split-cifar10": "SplitCifar10",
    "split-cifar100": "SplitCifar100",
    "split-omniglot": "SplitOmniglot",
}
_PERMUTED = {
    "permuted-digits": "PermutedDigits",
    "permuted-mnist": "PermutedMnist",
    "permuted-fashion-mnist": "PermutedFashionMnist",
}
_ROTATED = {
    "rotated-digits": "RotatedDigits",
    "rotated-mnist": "RotatedMnist",
    "rotated-fashion-mnist": "RotatedFashionMnist",
    "rotated-cifar10": "RotatedCifar10",
    "rotated-cifar100": "RotatedCifar100",
}
_DRIFT = {
    "sea-abrupt": "SeaAbrupt",
    "sea-gradual": "SeaGradual",
    "agrawal-recurring": "AgrawalRecurring",
    "hyperplane-incremental": "HyperplaneIncremental",
    "rbf-incremental": "RbfIncremental",
    "rbf-abrupt": "RbfAbrupt",
    "led-abrupt": "LedAbrupt",
    "stagger-abrupt": "StaggerAbrupt",
    "sine-reversal": "SineReversal",
    "mixed-abrupt": "MixedAbrupt",
    "waveform-abrupt": "WaveformAbrupt",
    "tree-abrupt": "TreeAbrupt",
}
_PUBLISHED = {
    "electricity": "Electricity",
    "weather": "Weather",
    "sea-concepts": "SeaConcepts",
}
_STREAMED = {
    "digits-stream": "DigitsStream",
    "mnist-stream": "MnistStream",
    "fashion-mnist-stream": "FashionMnistStream",
    "digits-rotating": "DigitsRotating",
    "mnist-rotating": "MnistRotating",
    "fashion-mnist-rotating": "FashionMnistRotating",
    "digits-noise": "DigitsNoise",
    "digits-brightness": "DigitsBrightness",
    "digits-label-swap": "DigitsLabelSwap",
}
_FAMILIES = {
    "split": _SPLIT,
    "permuted": _PERMUTED,
    "rotated": _ROTATED,
    "drift": _DRIFT,
    "published": _PUBLISHED,
    "table": {"table": "Table"},
    "river_data": {"river:NAME": "RiverData"},
    "streamed": _STREAMED,
}
PLUGINS = {
    name: f"streamsim_scenarios.{module}:{attribute}"
    for module, family in _FAMILIES.items()
    for name, attribute in family.items()
}

_MODIFIERS = {
    "label-noise": "label_noise:LabelNoise",
    "label-delay": "label_delay:LabelDelay",
    "missing-labels": "missing_labels:MissingLabels",
    "imbalance": "imbalance:Imbalance",
    "blurred": "blurred:Blurred",
    "feature-shift": "feature_shift:FeatureShift",
    "input-noise": "input_noise:InputNoise",
    "label-swap": "label_swap:LabelSwap",
    "rotation": "rotation:Rotation",
    "brightness": "brightness:Brightness",
}
MODIFIERS = {name: f"streamsim_scenarios.modifiers.{place}" for name, place in _MODIFIERS.items()}
