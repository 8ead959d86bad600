package docker

import (
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Labels hold all state. What carries a cluster's label belongs to that cluster, and mkube changes
// nothing else. The labels of the node image are in package names.
const (
	labelCluster = "dev.mkube.cluster"
	labelRole    = "dev.mkube.role"
	labelIP      = "dev.mkube.ip"
	labelIndex   = "dev.mkube.index"
	// The value of labelCreation is from provider.NewCreation.
	labelCreation = "dev.mkube.creation"
)

func byCluster(name string) filters.Args {
	return filters.NewArgs(filters.Arg("label", labelCluster+"="+name))
}

// byCreation selects what a creation has created of a cluster, or everything of the cluster if
// creation is empty.
func byCreation(name, creation string) filters.Args {
	args := byCluster(name)
	if creation != "" {
		args.Add("label", labelCreation+"="+creation)
	}
	return args
}

func versionsFrom(labels map[string]string) provider.Versions {
	return provider.Versions{
		Kubernetes:    labels[names.LabelKubernetes],
		Etcd:          labels[names.LabelEtcd],
		CoreDNS:       labels[names.LabelCoreDNS],
		Pause:         labels[names.LabelPause],
		LocalPath:     labels[names.LabelLocalPath],
		MetricsServer: labels[names.LabelMetricsServer],
	}
}

// nodeFrom returns the node of a listed container. The labels contain all data of the node.
func nodeFrom(c *client.Client, s container.Summary) *node {
	return &node{
		client: c, id: s.ID, name: containerName(s.Names), role: config.Role(s.Labels[labelRole]),
		ips: parseAddrs(s.Labels[labelIP]), versions: versionsFrom(s.Labels),
	}
}

// joinAddrs and parseAddrs convert addresses to and from the value of a label, which separates them
// by commas.
func joinAddrs(addrs []netip.Addr) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ",")
}

func parseAddrs(s string) []netip.Addr {
	var addrs []netip.Addr
	for part := range strings.SplitSeq(s, ",") {
		if a, err := netip.ParseAddr(part); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func containerName(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0][1:] // the API writes a leading slash
}
