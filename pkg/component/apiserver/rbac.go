package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// rbacFile contains the roles and bindings that this release's API server creates, one JSON
// object a line. See node-image/kubernetes/rbac.go.
const rbacFile = "/usr/share/mkube/rbac.jsonl"

// createRoles creates the API server's initial roles and bindings as soon as it serves, several
// at the same time. The server's own hook makes its first try a second later, and creates one
// object after the other. Until then, components that start are refused, and back off. The hook
// leaves objects that exist as they are. The file is on the node, because its objects are those of
// the node's release. The host creates them, because it is connected to the server already: a client
// on the node would spend 60 ms of CPU on its start alone.
func createRoles(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	data, err := provider.Output(ctx, n, "cat", rbacFile)
	if err != nil {
		return err
	}
	rules, err := Roles(data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", rbacFile, err)
	}
	return c.API.Create(ctx, rules)
}

// Roles reads roles and bindings from concatenated JSON objects. Those of the components that
// start next are first in the result. It drops those in a namespace, because the namespace may
// not exist yet: the server's hook creates them. Empty data is not an error.
func Roles(data []byte) ([]unstructured.Unstructured, error) {
	var urgent, others []unstructured.Unstructured
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return append(urgent, others...), nil
		} else if err != nil {
			return nil, err
		}
		rule := unstructured.Unstructured{Object: object}
		switch {
		case rule.GetNamespace() != "":
		case slices.Contains(urgentRoles, rule.GetName()):
			urgent = append(urgent, rule)
		default:
			others = append(others, rule)
		}
	}
}

// urgentRoles are the names of the roles of components. Their bindings have the same names.
var urgentRoles = []string{
	"system:kube-controller-manager", "system:kube-scheduler", "system:volume-scheduler", "system:node-proxier",
}
