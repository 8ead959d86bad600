package config

import "github.com/mkube/mkube/pkg/names"

// schedulerKind is the file that kube-scheduler's flag config names.
var schedulerKind = document{
	program: names.KubeScheduler, kind: "KubeSchedulerConfiguration",
	versions: []string{"kubescheduler.config.k8s.io/v1"},
	schema:   func() (table, error) { return nil, nil }, // kube-scheduler refuses unknown fields
}

// scheduler checks the user's KubeSchedulerConfiguration, if its content is known. mkube adds fields
// to it, see pkg/component/scheduler.
func (m *mistakes) scheduler(c Cluster) {
	file, ok := c.ExtraArgs[names.KubeScheduler]["config"]
	if !ok {
		return
	}
	if text, found := c.ExtraFile(names.KubeScheduler, file); found {
		m.document(keyPath(keyPath("extraArgs", names.KubeScheduler), "config"), file, text, schedulerKind, c)
	}
}
