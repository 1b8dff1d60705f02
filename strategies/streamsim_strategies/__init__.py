"""The built-in parts, by name. One family a file; a new part needs one line here."""

PLUGINS = {
    "naive": "streamsim_strategies.baselines:Naive",
    "joint": "streamsim_strategies.baselines:Joint",
    "cumulative": "streamsim_strategies.baselines:Cumulative",
    "replay": "streamsim_strategies.replay:Replay",
    "agem": "streamsim_strategies.agem:Agem",
    "ewc": "streamsim_strategies.ewc:Ewc",
    "lwf": "streamsim_strategies.lwf:Lwf",
    "maml-init": "streamsim_strategies.maml:MamlInit",
    "multihead": "streamsim_strategies.multihead:Multihead",
    "ncm": "streamsim_strategies.ncm:Ncm",
}
