package provider

import (
	"context"
	"io"

	"github.com/mkube/mkube/pkg/config"
)

// A Previewer is a Provider that can write a readable description of a cluster before it creates
// nodes. Callers find it with As.
type Previewer interface {
	// Preview writes what Create would create for cfg. It changes nothing.
	Preview(ctx context.Context, cfg config.Cluster, w io.Writer) error
}
