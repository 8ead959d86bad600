package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

type use struct {
	memory int64 // bytes, without the page cache that the kernel could drop
	cpu    time.Duration
}

// usage returns the values that docker stats shows.
func usage(ctx context.Context, c *client.Client, name string) (use, error) {
	response, err := c.ContainerStatsOneShot(ctx, name)
	if err != nil {
		return use{}, err
	}
	defer response.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return use{}, err
	}
	cache := s.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if v, ok := s.MemoryStats.Stats["inactive_file"]; ok && cache == 0 {
		cache = v
	}
	return use{
		memory: int64(s.MemoryStats.Usage - cache),
		cpu:    time.Duration(s.CPUStats.CPUUsage.TotalUsage),
	}, nil
}
