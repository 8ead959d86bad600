package cloudcontroller

import (
	"cmp"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// listName is the ConfigMap in kube-system that tells the controllers which nodes there
// are: they run inside of nodes, and cannot ask who makes them. It is read by
// images/cloud-controller-manager/cloud.
const listName = "mkube-nodes"

// entry is what the list says of a node.
type entry struct {
	Addresses    []string `json:"addresses"`
	InstanceType string   `json:"instanceType"`
	Zone         string   `json:"zone"`
	Region       string   `json:"region"`
}

// List is the list of a cluster's nodes. Who changes the nodes puts it into the cluster
// again: a node that has gone from it has its object deleted.
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

// Labels that a node may be given by its configuration, and otherwise has from its
// cloud, see https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone.
const (
	zoneLabel   = "topology.kubernetes.io/zone"
	regionLabel = "topology.kubernetes.io/region"
	typeLabel   = "node.kubernetes.io/instance-type"
)

// entryOf puts all nodes into one zone of one region, both called as the cluster is,
// unless their labels say otherwise.
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
