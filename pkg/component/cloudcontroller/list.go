package cloudcontroller

import (
	"cmp"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// listName is the ConfigMap in kube-system that lists the nodes for the controllers. The
// controllers run on the nodes, where they cannot query the provider.
// images/cloud-controller-manager/cloud reads it.
const listName = "mkube-nodes"

// entry is the value of a node in the list, as JSON.
type entry struct {
	Addresses    []string `json:"addresses"`
	InstanceType string   `json:"instanceType"`
	Zone         string   `json:"zone"`
	Region       string   `json:"region"`
}

// List returns the ConfigMap that lists the nodes of a cluster. It must be written again when
// the nodes change: the controllers delete the object of a node that is not in it.
func List(c *cluster.Cluster) (*unstructured.Unstructured, error) {
	data := map[string]any{}
	for _, n := range c.KubernetesNodes() {
		text, err := json.Marshal(entryOf(c, n))
		if err != nil {
			return nil, err
		}
		data[n.Name()] = string(text)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": listName, "namespace": "kube-system"},
		"data":     data,
	}}, nil
}

// Labels that the configuration can set on a node. If it does not, the cloud sets them. See
// https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone.
const (
	zoneLabel   = "topology.kubernetes.io/zone"
	regionLabel = "topology.kubernetes.io/region"
	typeLabel   = "node.kubernetes.io/instance-type"
)

// entryOf returns the entry of a node. Its zone and its region have the name of the cluster,
// unless the node's labels override them.
func entryOf(c *cluster.Cluster, n provider.Node) entry {
	labels := c.Spec(n).Labels
	e := entry{
		InstanceType: cmp.Or(labels[typeLabel], "mkube"),
		Zone:         cmp.Or(labels[zoneLabel], c.Config.Name),
		Region:       cmp.Or(labels[regionLabel], c.Config.Name),
	}
	for _, ip := range n.IPs() {
		e.Addresses = append(e.Addresses, ip.String())
	}
	return e
}
