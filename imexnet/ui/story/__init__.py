"""The story under the photo: four chapters, each with one picture and one thing to do."""
