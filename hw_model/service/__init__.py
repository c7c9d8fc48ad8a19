"""A service as clients meet it: pools of replicas, queues, drafts and the sessions of agents."""
