"""Office documents: Word, Excel, PowerPoint and OpenDocument text, one reader a module."""
