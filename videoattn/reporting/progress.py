from videoattn.progress import Progress as Progress
