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
    "on-drift:watch": "streamsim_strategies.on_drift:OnDriftWatch",
    "on-drift:reset": "streamsim_strategies.on_drift:OnDriftReset",
    "on-drift:boost": "streamsim_strategies.on_drift:OnDriftBoost",
    "on-drift:refresh": "streamsim_strategies.on_drift:OnDriftRefresh",
    "on-drift:consolidate": "streamsim_strategies.on_drift:OnDriftConsolidate",
    "ncm": "streamsim_strategies.ncm:Ncm",
}
