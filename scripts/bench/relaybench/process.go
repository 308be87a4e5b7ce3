package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTicks are the units a second of /proc/PID/stat; Linux shows 100 to every
// program (USER_HZ).
const clockTicks = 100

// tree is a process and all that descend from it.
type tree struct{ root int }

// stat returns the fields of /proc/PID/stat behind the command's name: the state,
// the parent, and so on (proc_pid_stat(5)); nil where the process is gone.
func stat(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
}

// members returns the ids of the tree's processes.
func (t tree) members() []int {
	entries, _ := os.ReadDir("/proc") // there is always one
	children := make(map[int][]int)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields := stat(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	members := []int{t.root}
	for i := 0; i < len(members); i++ {
		members = append(members, children[members[i]]...)
	}
	return members
}

// cpu returns the time that the tree has used so far, in user and system mode, and
// that of the children whose end was noticed.
func (t tree) cpu() time.Duration {
	const userTime, childrensSystemTime = 11, 14
	var ticks int
	for _, pid := range t.members() {
		fields := stat(pid)
		if len(fields) <= childrensSystemTime {
			continue
		}
		for _, field := range fields[userTime : childrensSystemTime+1] {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// memory returns the tree's memory in MiB; a page that processes share counts once.
func (t tree) memory() float64 {
	var kib int
	for _, pid := range t.members() {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			if rest, found := strings.CutPrefix(line, "Pss:"); found {
				n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
				kib += n
			}
		}
	}
	return float64(kib) / 1024
}

// peakMemory samples the memory until the channel is closed, and sends the most.
func (t tree) peakMemory(done <-chan struct{}) <-chan float64 {
	peak := make(chan float64, 1)
	go func() {
		most := t.memory()
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				most = max(most, t.memory())
			case <-done:
				peak <- most
				return
			}
		}
	}()
	return peak
}
