package cli

import (
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
)

// Default time limits of commands. A flag overrides each of them.
const (
	// usableLimit is the limit until a cluster is usable, or a node or stage is ready.
	usableLimit = bootstrap.UsableLimit
	// drainLimit is the limit to drain a node.
	drainLimit = 2 * time.Minute
	// programLimit is the limit until a program that replaces a component runs.
	programLimit = 2 * time.Minute
	// effectLimit is the limit until a component does what stage check expects of it.
	effectLimit = 90 * time.Second
)
