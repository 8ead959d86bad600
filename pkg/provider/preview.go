package provider

import (
	"context"
	"io"

	"github.com/mkube/mkube/pkg/config"
)

// A Previewer is a Provider that makes something for people to read of a cluster before it
// makes nodes. It is asked for by As.
type Previewer interface {
	// Preview writes what Create would make for cfg. It changes nothing.
	Preview(ctx context.Context, cfg config.Cluster, w io.Writer) error
}
