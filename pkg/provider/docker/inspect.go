package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Inspect writes what the daemon knows about the node as JSON, as docker inspect does.
func (n *node) Inspect(ctx context.Context, w io.Writer) error {
	_, data, err := n.client.ContainerInspectWithRaw(ctx, n.id, false)
	if err != nil {
		return fmt.Errorf("inspecting %s: %w", n.name, err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return fmt.Errorf("inspecting %s: %w", n.name, err)
	}
	indented.WriteByte('\n')
	_, err = indented.WriteTo(w)
	return err
}
