//go:build !linux

package docker

import "github.com/mkube/mkube/pkg/config"

// Elsewhere the daemon runs in a virtual machine, whose limits cannot be seen.

func availableMemory() (bytes uint64, ok bool) { return 0, false }

func freeDisk(string) (bytes uint64, ok bool) { return 0, false }

func checkInotify(config.Cluster) error { return nil }

func boundingSet(string) (set uint64, ok bool) { return 0, false }
