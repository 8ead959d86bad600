package bootstrap

import (
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Render returns the files of all components of a cluster.
func Render(c *cluster.Cluster) (map[string][]provider.File, error) { return render(c, Built(c)) }

// SeedOf returns the files that Create writes to new nodes.
func SeedOf(cfg config.Cluster, nodes []provider.Node) (map[string][]provider.File, error) {
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		return nil, err
	}
	return Render(cluster.New(cfg, nodes, keys))
}
