package names

// Labels of a node image, which its containers inherit.
const (
	// LabelInputs is a digest of everything that the build of the image has read.
	LabelInputs = "dev.mkube.inputs"
	// The versions of the parts.
	LabelKubernetes    = "dev.mkube.kubernetes"
	LabelEtcd          = "dev.mkube.etcd"
	LabelCoreDNS       = "dev.mkube.coredns"
	LabelPause         = "dev.mkube.pause"
	LabelLocalPath     = "dev.mkube.local-path-provisioner"
	LabelMetricsServer = "dev.mkube.metrics-server"
	// LabelParts is the digest of the layer that contains /usr/share/mkube.
	LabelParts = "dev.mkube.parts"
)
