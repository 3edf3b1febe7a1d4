//go:build linux

package main

import (
	"fmt"
	"strings"
)

const header = "| conferences x participants | CPU s per participant-minute | reflector: socket per call | reflector: batches | ratio to it | never sent % | jitter p99 ms | click p50/p95 ms | kB per participant (heap) | allocs per beat | beats late, left out | generator |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|---|"

func (r result) row() string {
	own := perMinute(r.Server.CPU, r.Server.Seconds, r.Shape)
	simple, batch, ratio := "", "", ""
	if r.Simple != nil && r.Batched != nil {
		s, b := perMinute(r.Simple.CPU, r.Simple.Seconds, r.Shape), perMinute(r.Batched.CPU, r.Batched.Seconds, r.Shape)
		simple, batch = fmt.Sprintf("%.4f", s), fmt.Sprintf("%.4f", b)
		ratio = fmt.Sprintf("%.2f / %.2f", own/s, own/b)
	}
	missing := 100 * float64(r.Load.Expected-r.Load.Received-r.Load.Dropped) / float64(r.Load.Expected)
	n := int64(r.Shape.total())
	return fmt.Sprintf("| %v | %.4f | %s | %s | %s | %.2f | %.2f | %.1f/%.1f (%d) | %d (%d) | %.3f | %d, %d of %d | %.4f, late %.1f ms |",
		r.Shape, own, simple, batch, ratio, max(0, missing), r.Load.JitterP99, r.Load.ClickP50, r.Load.ClickP95, r.Load.Clicks,
		(r.Server.RSS-r.Server.RSSBefore)/n/1000, (r.Server.Heap-r.Server.HeapBefore)/n/1000, r.Server.AllocsPerBeat,
		r.Server.LateBeats, r.Server.SkippedBeats, r.Server.Beats, r.LoadAlone, r.Load.Behind)
}

// peer is what another server reaches: measured on the project's kind of
// machine (2 cores; peer on one, generator on the other; G.711 µ-law, 20 ms;
// Asterisk 22.10 ConfBridge, FreeSWITCH 1.10.12 mod_conference, Janus 1.4.1
// AudioBridge; medians of up to 3 runs on a busy host, so read ratios).
type peer struct {
	name, shape        string
	cpu                float64 // s per participant-minute
	kB                 int     // per participant
	loss, jitter       float64 // %, ms p99
	clickP50, clickP95 int     // ms
}

func peers() []peer {
	return []peer{
		{"Asterisk", "1 x 8, 3 talk", 0.33, 494, 0.25, 15, 23, 29},
		{"Asterisk", "1 x 100, 3 talk", 0.16, 251, 0, 7, 56, 84},
		{"Asterisk", "1 x 100, all talk", 0.16, 249, 0.25, 16, 50, 58},
		{"Asterisk", "1 x 400, 3 talk (core full)", 0.14, 253, 1.4, 102, 89, 166},
		{"Asterisk", "38 x 8, 3 talk (core full)", 0.20, 258, 3.0, 21, 44, 86},
		{"FreeSWITCH", "1 x 8, 3 talk", 0.36, 857, 0, 1.2, 29, 39},
		{"FreeSWITCH", "1 x 100, 3 talk", 0.25, 592, 0, 6, 34, 50},
		{"FreeSWITCH", "25 x 8, 3 talk (core full)", 0.28, 625, 11, 38, 150, 570},
		{"Janus", "1 x 8, 3 talk", 0.36, 238, 0, 7, 72, 78},
		{"Janus", "1 x 100, 3 talk", 0.27, 160, 0, 8, 68, 77},
		{"Janus", "25 x 8, 3 talk (core full)", 0.26, 170, 0, 16, 81, 107},
	}
}

func peerTable() string {
	var b strings.Builder
	b.WriteString("\nPeers, as measured before on this kind of machine:\n\n| peer | load | CPU s per participant-minute | kB per participant | loss % | jitter p99 ms | click p50/p95 ms |\n|---|---|---|---|---|---|---|\n")
	for _, p := range peers() {
		fmt.Fprintf(&b, "| %s | %s | %.2f | %d | %.2f | %.1f | %d/%d |\n", p.name, p.shape, p.cpu, p.kB, p.loss, p.jitter, p.clickP50, p.clickP95)
	}
	return b.String()
}
