package docker

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// Check wip.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) error {
	return reach(ctx, p.client)
}
