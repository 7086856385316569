"""Several processes of the same services, which share their partitions, behind one port."""
